"""From a torch module to one flat network.

`values` (linear forms of neurons), `reading` (a module becomes values; the only part that knows
torch), `traces` (leaky states), `sharing` (which neurons are re-used), `layout` (one matrix),
`module` (all of it).
"""
