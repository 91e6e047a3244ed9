"""Mail by SMTP: a message written here, from the operator's own templates, and handed to a server.

In: an `ActionCall`. Out: a `Verdict`. In the order of the flow, `*` marks the pure ones:

- `account`*       the target's vars as checked values
- `shelf`*         the templates of a folder: which one, in which language, with which values
- `letter`*        one message as bytes: headers, text and HTML
- `writing`*       a delivery as such a message, and whom it goes to
- `dial`           a socket to an address we may reach
- `conversation`   the exchange with the server; `answers`* says what its replies mean
- `carrier`        all of it for one delivery, within a budget
- `lint`*          what a person would have to check in every template; `page`* reads its HTML,
                   `colours`* measures contrast
"""
