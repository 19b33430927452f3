"""Storage of the simulator's data beyond its process.

``serialization``
    dataclasses as JSON
``storage``
    collections of values, in memory and in a storage
``sqlite``
    a storage in a file
"""
