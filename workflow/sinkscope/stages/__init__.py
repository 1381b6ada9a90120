"""The stages of a run: the commands of its jobs, and the functions behind them."""
