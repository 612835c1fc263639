"""What the keys of the policy mean, in words: pools, back-offs, flaps, the guard, deadlines.

Pure. Each default number names its reason; `docs/policy.md` has the figures behind them. See
`plabctl.config.key_texts`.
"""

from __future__ import annotations

from plabctl.config.key_text import KeyText

POLICY_TEXTS: dict[str, KeyText] = {
    "pool.kind": KeyText(
        "What becomes of a node that passes or fails.", '"good"', "the pool's name, if `good` or `bad`"
    ),
    "pool.recipe": KeyText("The recipe its nodes are tested with.", '"process"'),
    "pool.backoff": KeyText(
        "How long it waits between tests; its keys are below. 5m, 2m30s and 1h because Emulab's monitor of 2006 had "
        "them, and a jitter of 1m because ticks come every minute; `plabctl simulate` shows what others would do.",
        '{ base = "5m", max = "2h" }',
    ),
    "pool.weight": KeyText(
        "When slots are short, pools share the window in the ratio of their weights. 1 because no pool matters more "
        "than another until somebody says so.",
        "2",
    ),
    "pool.reserve": KeyText(
        "The share of the window that it gets before all others while it has members due. 0.1 because then testing "
        "goes on however many experiments there are, and four fifths of the window are left to share.",
        "0.1",
    ),
    "experiment.recipe": KeyText("The recipe of an experiment that names none; it needs a `teardown`.", '"process"'),
    "experiment.retry": KeyText(
        "How long it waits before it tries again to set a vnode up, or to tear one down, by the failures in a row. "
        "From 1m on because somebody waits for it; up to 1h because a node that comes back to good ends the wait.",
        '{ base = "1m", max = "30m" }',
    ),
    "experiment.check": KeyText(
        "How long it waits between two looks at a vnode that is up, by the passes in a row. From 5m on, 2m30s more "
        "each time, up to 1h and with 1m at random, because the good pool does the same.",
        '{ kind = "fixed", base = "5m" }',
    ),
    "experiment.grace": KeyText(
        "How long the node of a vnode may be in a bad pool before the vnode is replaced (`--count`) or leaves "
        "(`--all-nodes`). 30m because by then the node was tested four times, and a reboot is over.",
        '"30m"',
    ),
    "experiment.give_up": KeyText(
        "How long it is tried to tear down a vnode whose node was removed. 7d because a machine that is away for a "
        "week does not come back as it was.",
        '"7d"',
    ),
    "experiment.hook_timeout": KeyText(
        "How long the command of an experiment (`--hook`) may take. 30s because one that hangs holds up those behind "
        "it.",
        '"30s"',
    ),
    "experiment.weight": KeyText(
        "The weight of each experiment, as of a pool. 1 because an experiment matters as much as a health pool.", "2"
    ),
    "experiment.reserve": KeyText(
        "The reserve of each experiment, as of a pool. 0 because there may be any number of them.", "0.05"
    ),
    "backoff.kind": KeyText(
        "How the wait grows with the number n of equal results in a row: `additive` base + n * step, `fixed` base, "
        "`exponential` base * 2^(n-1), `linear` base * n, `quadratic` base * n^2; or with the time since the node "
        "last changed: `age` base * sqrt(1 + hours); or so that a share of the window is used: `adaptive`, see "
        "`[adaptive]`.",
        '"age"',
    ),
    "backoff.base": KeyText(
        "What the wait starts from; for `adaptive` the shortest wait. 5m because a node that has just changed "
        "is likely to change again soon; twice that in a bad pool because a test that fails takes ten times "
        "as long; 2m because less would be tests without pause.",
        '"5m"',
        '`"5m"`; `fixed` 1h, `linear` 20m, `age` in a bad pool 10m, `adaptive` 2m',
    ),
    "backoff.step": KeyText(
        "What each equal result adds; only for `additive`. 2m30s because then the wait grows about as the "
        "square root of the time since the last change, which is the shape that costs least, and comes to an "
        "hour after half a day.",
        '"2m30s"',
    ),
    "backoff.max": KeyText(
        "The longest wait, before jitter. 1h because no failure should stay unseen for longer; 12h and 96h "
        "where only dead nodes come to wait so long, so that they do not fill the window.",
        '"1h"',
        '`"1h"`; `quadratic` and `age` in a bad pool 12h, `adaptive` 96h',
    ),
    "backoff.jitter": KeyText(
        "A random part of up to this much, added so that nodes do not march in step. 1m because ticks come "
        "every minute: less would leave nodes together in the same tick.",
        '"1m"',
    ),
    "flap.half_life": KeyText(
        "How long it takes the penalty to halve. 6h because with 1h it hardly ever asks for a second pass, "
        "and with 24h sound nodes stand idle twice as long.",
        '"6h"',
    ),
    "flap.max_passes": KeyText(
        "How many passes in a row are asked for at most. 12 because at 5 minutes apart that is an hour: no "
        "node that works is kept out for longer.",
        "12",
    ),
    "flap.apart": KeyText(
        "How far apart those passes are. 5m because a node that has just changed is tested that soon anyhow.",
        '"5m"',
    ),
    "guard.max_ratio": KeyText(
        "The share of failing nodes above which moves to bad are held. 0.2 because on a trace with eleven "
        "failures of the monitor itself that halved the false moves; 0.05 trips on ordinary failures, 0.5 "
        "hardly ever.",
        "0.2",
    ),
    "guard.min_tested": KeyText(
        "How many distinct nodes must have been tested before the share counts. 10 because among fewer two "
        "failures by chance are a fifth.",
        "10",
    ),
    "guard.within": KeyText(
        "How far back tests count. 10m because a test that fails may take as long; what is older tells of "
        "another time.",
        '"10m"',
    ),
    "guard.site_label": KeyText("The node variable that says which nodes stand together.", '"site"'),
    "guard.canary": KeyText("Machines that answer as long as we are connected ourselves.", '["192.0.2.1:22"]'),
    "guard.max_age": KeyText(
        "How long a move is held at most. 1h because by then every good node has been tested again.",
        '"1h"',
    ),
    "guard.then": KeyText("What becomes of a move that was held that long.", '"leave"'),
    "adaptive.load": KeyText(
        "The share of the window that is to be busy on average. 0.8 because the rest is for what nobody can "
        "plan: suspects, requested retests, nodes that come up.",
        "0.8",
    ),
    "adaptive.half_life": KeyText(
        "How long it takes what was seen of a node to count half. 14d because nodes are mended, and worn out, "
        "within weeks.",
        '"14d"',
    ),
    "deadlines.enabled": KeyText(
        "Whether deadlines are learned; if not, each stage has its recipe's time-out.", "true"
    ),
    "deadlines.floor": KeyText(
        "No stage gets less than this. 10s because TCP repeats what was lost after 1, 3 and 7 s: three lost packets "
        "are no reason to give a node up.",
        '"10s"',
    ),
    "deadlines.factor": KeyText(
        "How many times longer than 95 % of the passes a stage may take. 3 because only passes teach: below it, what "
        "is cut off would be missed in what is learned, and deadlines could shrink without end.",
        "3",
    ),
    "deadlines.min_passes": KeyText(
        "So many passes of a stage must have been seen; until then it has its recipe's time-out. 20 because that is "
        "how many it takes to tell what 95 % of them need.",
        "20",
    ),
    "deadlines.full_every": KeyText(
        "In a bad pool, of so many failing tests in a row the last has the recipe's time-outs. 4 because then a slow "
        "but sound node is back within a few tests, while a dead one costs about a quarter.",
        "4",
    ),
}
