from .bytecode import keep_bytecode

keep_bytecode()  # before the package is imported
