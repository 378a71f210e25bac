package muster

// base is all that needs a connection and no spec yet.
type base struct {
	config      Config
	conn        *connection
	wire        *wire
	spec        *specPoll
	contracts   *contracts
	answers     *answers
	hold        *hold
	records     *records
	deadLetters *deadLetters
}

func openBase(c Config, conn *connection) *base {
	w := &wire{conn: conn, prefix: c.APIPrefix}
	answers := newAnswers(conn, c.ConfirmAcks)
	return &base{
		config:      c,
		conn:        conn,
		wire:        w,
		spec:        &specPoll{wire: w, log: c.Log, stream: c.Stream, group: c.Group},
		contracts:   newContracts(w, c.Log),
		answers:     answers,
		hold:        newHold(conn, answers, c.Log),
		records:     &records{wire: w, config: c},
		deadLetters: &deadLetters{wire: w, config: c},
	}
}
