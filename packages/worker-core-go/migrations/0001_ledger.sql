-- The ledger in Postgres, the same for members in every language: one row per stream, group and event id.
-- A file that was ever applied is never changed; what is to be different comes in a new one, which only adds.

create table muster_migrations (
  name       text        primary key,
  sha256     text        not null, -- hex, of the file's bytes
  applied_at timestamptz not null default now()
);

-- Collation "C": a name or a hash compares by its bytes, whatever library the server sorts with.
create table muster_ledger (
  stream      text        collate "C" not null,
  grp         text        collate "C" not null,
  event_hash  text        collate "C" not null, -- sha256 hex of the event id
  status      text        not null check (status in ('done', 'dead')),
  event_id    text        not null,             -- as inside a JSON string, non-ASCII as \uXXXX: most ids as they are
  body_sha256 text        not null,             -- hex
  sequence    bigint      not null,             -- of the message that settled the event
  store_time  text        not null,             -- ns, compared as a number: more than a bigint holds
  sequences   bigint[]    not null default '{}',
  more        bigint      not null default 0,
  result      text,                             -- JSON, non-ASCII as \uXXXX: jsonb refuses \u0000 and rounds nothing back
  reason      text,
  headers     text,                             -- JSON object, likewise
  member      text        not null,
  language    text        not null,
  at          timestamptz not null,
  revision    bigint      not null default 1,   -- 1 more with every change: what a write compares with
  primary key (stream, grp, event_hash)
);

-- For the account of a time span, and to remove rows that are old enough.
create index muster_ledger_by_time on muster_ledger (stream, grp, at);
