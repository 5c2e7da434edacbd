"""Signing: the head or the management signs the notification, or gives it back."""
