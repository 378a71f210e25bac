package muster

func traced(_ string, handler handlerFunc) handlerFunc { return handler }
func traceBatch(_ string, handler batchFunc) batchFunc { return handler }
