"""Campaign platforms as data: one YAML preset per platform, and the one interpreter of them all.

In: a `ProfilePush` or an `ActionCall`, and the account it is for. Out: a `Verdict`. No platform has
code of its own. The modules in the order of the flow, `*` marks the pure ones:

- `preset`      one YAML file as a checked value: `operation`* holds its steps and where they lead,
                `auth`* how it is told who calls, `inspection`* what is looked at before
- `deals`*      a push or an action in the words of one target: `fields`* writes its attributes
- `exchange`*   the conversation: which request, what came of it, which step follows, the verdict
    - `compose`*  writes a step's request; `render`* fills its templates, `signing`* signs it
    - `reading`*  reads a good answer: who was found, may she be written to, where to go
    - `status`*   reads what an answer says became of a message
    - `together`* puts several pushes into one request, and reads whom its answer names
    - `halving`*  finds who it was where several were refused as a whole
- `carrier`     drives exchanges over a transport, within a budget, with quick repeats
    - `signin`    keeps the account's token
- `verdict`*    judges one answer by rules over its status, header and body (`pick`*)
- `wire`        the transport below a carrier

Mail and lists have carriers of their own (`smtp`, `file`). The port that all implement is `calls`;
`targets` puts account and carrier together from `targets.yaml`.
"""
