"""A spec that every backend with variables by name can say."""

REUSE = """
steps:
  - scope: tower
    steps:
      - {get: kernel, shape: [2], init: 1.0, as: first}
  - scope: tower
    reuse: true
    steps:
      - {get: kernel, shape: [2], as: second}
      - {get: bias, shape: [2], raises: not_found, expect: missing-name}
  - {assign: second, to: [5.0, 6.0]}
  - {expect: seen, value: first, is: [5.0, 6.0]}
"""
