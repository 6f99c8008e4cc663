"""What a turn costs: two tables against one item, lazy against eager embedding.

designs       the designs that are compared, and the shape of a turn
walks         every request of a turn, by formula        capacity  units and sizes by formula
programs      our own path, metered                      metering  a client that counts
alternatives  the one-item designs, as real programs     measuring both, against an endpoint
prices        a dated price list                         money     units into money, break-even
comparing     all of it for `ctxasr costs`
"""
