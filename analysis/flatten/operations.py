"""What torch operations do to a flat network, by name and function: tables and nothing else."""

import operator

import torch
from torch import nn
from torch.nn import functional as F

SUPPORTED = (
    "Linear, Conv1d, Conv2d, AvgPool, AdaptiveAvgPool, MaxPool, BatchNorm and Dropout in eval "
    "mode, Flatten, ReLU, Tanh (if all are), addition, concatenation, RNN and RNNCell"
)
"""What messages say is supported."""

LINEAR_MODULES = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool1d, nn.AvgPool2d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.BatchNorm1d, nn.BatchNorm2d),
    *(nn.ZeroPad1d, nn.ZeroPad2d),
)
"""Modules that are linear in eval mode."""
MOVING_MODULES = (nn.Flatten, nn.Unflatten)
"""Modules that only give a tensor another shape."""
IDLE_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)
"""Modules that do nothing in eval mode."""

LINEAR = (
    *(F.linear, F.conv1d, torch.conv1d, F.conv2d, torch.conv2d, F.avg_pool1d, F.avg_pool2d),
    *(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.batch_norm, torch.matmul, operator.matmul),
    *(torch.mean, torch.sum, F.pad),
    *("mean", "sum", "matmul"),
)
"""Functions and names of methods that are linear in their first argument."""
CONVOLUTIONS = (F.conv1d, torch.conv1d, F.conv2d, torch.conv2d)
"""Convolutions among them."""
PRODUCTS = (F.linear, torch.matmul, operator.matmul, "matmul")
"""Products with a matrix among them."""
MOVING = (
    *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.unsqueeze),
    *(torch.squeeze, torch.cat, torch.concat, torch.stack, torch.chunk, torch.split),
    *(torch.unbind, torch.movedim, torch.unflatten, torch.flip, torch.narrow, torch.select),
    operator.getitem,
    *("flatten", "reshape", "view", "permute", "transpose", "unsqueeze", "squeeze", "chunk"),
    *("split", "unbind", "movedim", "unflatten", "flip", "narrow", "select", "expand"),
    *("contiguous", "clone", "detach"),
)
"""Functions and names of methods that only move elements about."""
IDLE = (F.dropout, F.dropout1d, F.dropout2d, "double", "float", "to")
"""What leaves its first argument as it is, in eval mode."""
RELU = (F.relu, torch.relu, torch.relu_, F.relu_, "relu", "relu_")
"""Rectifiers."""
TANH = (torch.tanh, F.tanh, "tanh", "tanh_")
"""Hyperbolic tangents."""
ADD = (operator.add, operator.iadd, torch.add, "add", "add_")
"""Sums of two tensors."""
SUBTRACT = (operator.sub, operator.isub, torch.sub, torch.subtract, "sub", "sub_")
"""Differences of two tensors."""
SCALE = (operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_")
"""Products, of which one factor has to be a constant."""
DIVIDE = (operator.truediv, operator.itruediv, torch.div, torch.divide, "div", "div_")
"""Quotients by a constant."""
MAX_POOL = (F.max_pool1d, torch.max_pool1d, F.max_pool2d, torch.max_pool2d)
"""Largest values of windows. `F.max_pool1d` is a wrapper that torch.fx sees as it is."""
CONSTANTS = ("zeros", "ones", "full")
"""Functions of torch that make a constant of some shape."""
CONSTANT_LIKE = {"new_zeros": 0.0, "new_ones": 1.0}
"""Methods of a tensor that do, and the number that they fill it with."""
MAXIMUM = (torch.maximum, "maximum")
"""The larger of two tensors."""
