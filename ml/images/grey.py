"""Names the grey level that the backbones treat as nothing: the mean of ImageNet's channels."""

IMAGENET_MEANS = (103.939, 116.779, 123.68)
NEUTRAL = sum(IMAGENET_MEANS) / 3
