"""DataFrames of Spark: columns protected and revealed through Arrow batches, where the rows are.

What travels to the workers, in the plan, is which columns and how, the column keyring *wrapped* under
a KMS, and where that KMS is. Each Python worker opens the KMS itself and unwraps the keyring once.

    driver    frames.protect(frame, columns, keyring, kms)   checks everything; nothing runs yet
    worker     work.ColumnWork(batches)                      Spark calls it with a partition, batch by batch
    worker      work.unlock(wrapped, kms)                    KmsAddress.open, ColumnKeyring.unwrap
    worker      columns.protect(column, element, ...)        one column of one batch
"""
