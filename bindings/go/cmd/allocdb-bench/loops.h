/* loops.h - the loops of loops.c, for native.go. */
#include <allocdb.h>

allocdb_status bench_open(const char *directory, uint32_t sync, uint32_t clock,
                          uint64_t window, allocdb **db, allocdb_error *error);
allocdb_status bench_create(allocdb *db, uint64_t slot, uint64_t first, uint64_t count,
                            allocdb_error *error);
allocdb_status bench_read(allocdb *db, uint64_t count, uint64_t *ns, allocdb_error *error);
allocdb_status bench_reserve(allocdb *db, uint64_t count, uint64_t *ns,
                             allocdb_error *error);
allocdb_status bench_batches(allocdb *db, uint64_t count, uint64_t *slot, uint64_t *ns,
                             allocdb_error *error);
