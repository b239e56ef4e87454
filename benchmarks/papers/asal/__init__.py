"""ASAL: Mayer and Timofte, "Adversarial Sampling for Active Learning" (ICLR 2019 submission)."""
