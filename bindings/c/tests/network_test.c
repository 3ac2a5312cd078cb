/*
 * network_test.c - directories on network file systems, whose locks and syncs promise too little.
 *
 * Laws: each of them is refused by its number, before a file is made there, for opening, for
 * reading and as a target of a backup; an option allows them; local file systems, and FUSE, whose
 * nature nobody knows, pass. The program stands between the library and fstatfs(2) and says what
 * it likes about a directory that is in fact local: a real network file system wants a server and
 * a kernel module.
 */
#define _GNU_SOURCE
#include "every_call.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static allocdb_error error;
static long fake_type;
static int asked;

int fstatfs(int descriptor, struct statfs *out)
{
    int answer = (int)syscall(SYS_fstatfs, descriptor, out);

    asked++;
    if (fake_type != 0)
        out->f_type = fake_type;
    return answer;
}

static int files_in(const char *path)
{
    int count = 0;
    struct dirent *entry;
    DIR *directory = opendir(path);

    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void a_network_file_system_is_refused_by_its_number(void)
{
    /* NFS, SMB, CIFS, SMB2, AFS twice, Coda, NCP, 9P, Ceph, GFS2, OCFS2, Lustre, GPFS. */
    static const long types[] = {0x6969,     0x517B,     0xFF534D42, 0xFE534D42, 0x5346414F,
                                 0x6B414653, 0x73757245, 0x564C,     0x01021997, 0x00C36400,
                                 0x01161970, 0x7461636F, 0x0BD00BD0, 0x47504653};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const char *directory = new_directory();
        allocdb_options options = small_options();
        allocdb *db;

        fake_type = types[i];
        CHECK_STATUS(ALLOCDB_E_UNSUPPORTED_FS, allocdb_open(directory, &options, &db, &error));
        CHECK(db == NULL);
        CHECK_EQUAL(types[i], error.detail[0]);
        CHECK_EQUAL(0, files_in(directory));
        options.flags = ALLOCDB_OPEN_READ_ONLY;
        CHECK_STATUS(ALLOCDB_E_UNSUPPORTED_FS, allocdb_open(directory, &options, &db, &error));
        options.flags = ALLOCDB_ALLOW_NETWORK_FS;
        CHECK_STATUS(ALLOCDB_OK, allocdb_open(directory, &options, &db, &error));
        CHECK(is_sound(call_create_resource(db, &error)));
        CHECK(is_sound(call_backup(db, &error)));
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    }
    CHECK(asked >= 28);
}

static void a_local_file_system_is_taken(void)
{
    /* ext4, XFS, btrfs, tmpfs, overlayfs, ZFS, F2FS, FUSE. */
    static const long types[] = {0xEF53,     0x58465342, 0x9123683E, 0x01021994,
                                 0x794C7630, 0x2FC12FC1, 0xF2F52010, 0x65735546};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        fake_type = types[i];
        allocdb *db = open_small();
        CHECK(is_sound(call_create_resource(db, &error)));
        CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
    }
}

static void a_backup_to_a_network_file_system_is_refused(void)
{
    const char *target = path_in(new_directory(), "copy");

    fake_type = 0;
    allocdb *db = open_small();
    fake_type = 0x6969;
    CHECK_STATUS(ALLOCDB_E_UNSUPPORTED_FS, allocdb_backup(db, target, &error));
    fake_type = 0;
    CHECK(is_sound(call_create_resource(db, &error)));
    CHECK_STATUS(ALLOCDB_OK, allocdb_backup(db, target, &error));
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_network_file_system_is_refused_by_its_number),
        TEST(a_local_file_system_is_taken),
        TEST(a_backup_to_a_network_file_system_is_refused),
    };

    return RUN_TESTS(tests);
}
