/*
 * auditor.c - the audit (audit.h) of one directory after one host or several, as a program.
 *
 *     auditor directory=DIR copy=DIR witness=FILE [text=1] [faults=1] [losses=1] [from=BYTE]
 *
 * For hosts that die in ways a parent cannot see: under injected faults, at a limit, in another
 * machine. It prints what it found and the figures; its exit status is 1 if it found anything. With
 * `losses=1` acknowledged commands that are not there are counted instead (`figure lost N`): the
 * unsynced control. A witness of several lives is audited as the one life that ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "files.h"

int main(int argc, char **argv)
{
    static struct audit audit;
    const char *directory = text_argument(argc, argv, "directory", "db");
    const char *copy = text_argument(argc, argv, "copy", "copy");
    const char *witness = text_argument(argc, argv, "witness", "witness");
    uint64_t offset = number_argument(argc, argv, "from", "0");
    size_t count;

    audit.may_fail = number_argument(argc, argv, "faults", "0") != 0;
    audit.may_lose = number_argument(argc, argv, "losses", "0") != 0;
    audit.random = number_argument(argc, argv, "seed", "1") | 1;
    struct record *records =
        witness_read(witness, number_argument(argc, argv, "text", "0") != 0, &offset, &count);

    if (access(directory, F_OK) == 0) {
        directory_copy(directory, copy);
        audit_life(&audit, records, count, copy);
    } else {
        /* A host that could not even make it was told nothing else. */
        for (size_t i = 0; i < count; i++)
            if (records[i].type == RECORD_ANSWER)
                audit_found(&audit, "answers, and no database");
    }
    printf("figure records %zu\n", count);
    printf("figure lost %llu\n", (unsigned long long)audit.lost_count);
    audit_print_figures(&audit);
    bool is_sound = audit.found_count == 0;

    free(records);
    audit_free(&audit);
    return is_sound ? 0 : 1;
}
