"""Servers and a crawler in virtual time: the rules of politeness against what they were made for."""
