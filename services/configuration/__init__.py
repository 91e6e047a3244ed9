"""`nps config check`: the whole configuration read as the services read it, and held together.

- `told`          one thing that is told: how grave, where, what to do
- `folder`        every file of a folder read; I/O is here
- `fitting`       what no single service can see: sources, policy, playbook, targets side by side;
                  `fit_policy`, `fit_playbook`, `fit_targets` hold one file against the others
- `known`         the names that the files bring
- `surveys`       which surveys the sources can name
- `config_cli`    the command

Only `folder` and the command read anything; what they judge comes in as arguments. With
`services.cli`, `local` and `schemas` what knows all services.
"""
