"""The experiment: the same requests by every strategy, timed on a real clock, drawn and explained."""
