"""A picture of a model: cards for what its nodes became, laid out in layers and drawn by matplotlib."""
