"""The screens: door, form, one action, render."""
