"""The objective of training, plainly: what a better model makes smaller."""

import numpy as np


def objective(rows, labels, weights, bias, cost):
    """L2-regularised squared hinge loss over dense rows; the bias is regularised too."""
    slack = np.maximum(0, 1 - labels * (rows @ weights + bias))
    return 0.5 * (weights @ weights + bias * bias) + cost * (slack**2).sum()
