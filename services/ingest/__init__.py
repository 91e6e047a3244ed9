"""Ingest translates: a survey platform's signed webhook becomes one event, or a clear no.

A message goes through the packages in this order: `receive` (one request) → `verify` (who sent
it) → `decode` (bytes to messages) → `mapper` and `translate` (a message to one event) → `keep`
(bus, spool, bodies, quarantine). Beside that way: `fetch` (messages of ids only), `outside`
(POST /v1/events), `correct` and `history` (reading again, the past), `tryout` (`nps source`).
`app` and `__main__` put it together; `catalogue` and `settings` are `sources.yaml`.
"""
