"""Figures over the log: the funnel and the durations of domain.md section 9.

They fold the log afresh, need no running projection, and name the position they were
read at. The unit is the cycle, one run of one person through the funnel.
"""
