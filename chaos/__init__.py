"""mlchaos: chaos testing for machine-learning systems."""
