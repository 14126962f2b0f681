"""Anion species and their reactions: roles of elements, bonds, lifetimes."""
