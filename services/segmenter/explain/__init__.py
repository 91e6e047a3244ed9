"""Why she did or did not get something, in plain words, and what happens next. Pure.

In: a customer, the policy, the time. Out: points (a code and its values) and their sentences in a
language. The rules are those of the decisions, asked at another moment; here they are only told.

`may` tells of permits, holds, clocks and budgets, `who` of the customer, `past` of what was decided
and sent, `ahead` of what time will bring; `say` puts points into the words of `words_en` and
`words_fr`; `whole` makes one explanation of it.
"""
