"""The names of what the search study compares, and where each comes from."""

from __future__ import annotations

from studies.shared.methods import Values

FAITHFUL = ("R1", "R2", "R3")
ANCHORED, RETRAINED, RANDOM = "anchored", "anchored, trained alone", "random"
HELD = "anchored, gallery that holds a student"  # one of the same supernet, of another search; judged as a family alone
HELD_WEIGHTS = "1,0.75"  # of the cloud model and that student
UNTAUGHT = "anchored, trained from nothing"
BY_LATENCY, BY_LATENCY_RETRAINED = "anchored, by latency", "anchored, by latency, trained alone"
# No ImageNet weights come with the scaled backbones: beside them stands the winner that begins like them.
FROM_NOTHING: Values = {"pretrained": False, "epochs": 30, "lr": 3e-3, "trunk_lr": 1.0}
HAND_PICKED: dict[str, Values] = {  # at the largest input size within the budget
    "shufflenet_v2": {"backbone": "torchvision/shufflenet_v2_x0_5", "img_size": 40, **FROM_NOTHING},
    "mobilenet_v3": {"backbone": "torchvision/mobilenet_v3_small", "img_size": 28, **FROM_NOTHING},
}
PREVIOUS = "hand-picked student"  # the default of the study of compatibility
POINTS = 3  # of a front that are exported; the first is the best, and is called anchored
CHEAPER = tuple(f"{ANCHORED}, point {number}" for number in range(2, POINTS + 1))
CUT = {ANCHORED: (ANCHORED, 1), BY_LATENCY: (BY_LATENCY, 1)}  # the search and the number of its point
CUT |= {method: (ANCHORED, number) for number, method in enumerate(CHEAPER, start=2)}
FOUND_BY = {RETRAINED: ANCHORED, UNTAUGHT: ANCHORED, BY_LATENCY_RETRAINED: BY_LATENCY}  # the search of a method
LATENCY = (BY_LATENCY, BY_LATENCY_RETRAINED)
METHODS = (*FAITHFUL, ANCHORED, *CHEAPER, RETRAINED, *LATENCY, RANDOM, UNTAUGHT, *HAND_PICKED, PREVIOUS)
SEARCH_NAMES = {HELD: "held", BY_LATENCY: "latency"}  # of the others: the reward
