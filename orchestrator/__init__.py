"""Async batch deployment orchestrator for Yandex Cloud Functions."""

__version__ = "0.1.0"
