import numpy as np

from query_server.models import Bundle, Runtime, synthetic_features


def test_synthetic_features_are_encoded_samples_of_the_generator_and_the_same_at_every_call(digits_bundle):
    runtime = Runtime(device="cpu", threads=1)
    bundle = Bundle.open(digits_bundle, runtime)
    features = synthetic_features(bundle, 100)
    assert features.shape == (100, bundle.feature_dim)
    assert np.array_equal(features, synthetic_features(bundle, 100))
    latents = np.random.default_rng(0).standard_normal((64, bundle.latent_dim), dtype=np.float32)
    cotangent = np.zeros((64, *bundle.input_shape), np.float32)
    (x,) = runtime.session(bundle.generator).run(["x"], {"z": latents, "dx": cotangent})
    assert np.allclose(features[:64], bundle.encode(x), atol=1e-5)
    assert features.std(axis=0).max() > 0
    runtime.close()
