"""Onsager coefficients as functions of temperature (Arrhenius) and composition, and along an interphase."""
