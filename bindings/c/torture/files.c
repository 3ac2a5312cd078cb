/*
 * files.c - see files.h.
 */
#define _GNU_SOURCE
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path_text[2][4096];

static const char *path_of(int which, const char *directory, const char *name)
{
    snprintf(path_text[which], sizeof path_text[which], "%s/%s", directory, name);
    return path_text[which];
}

static void stop(const char *path)
{
    perror(path);
    exit(2);
}

/* Calls for each file, and stops where one fails. */
static void for_each(const char *path, void (*act)(const char *, const char *, const char *),
                     const char *other)
{
    struct dirent *entry;
    DIR *directory = opendir(path);

    if (directory == NULL)
        stop(path);
    while ((entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            act(path, entry->d_name, other);
    closedir(directory);
}

static void remove_one(const char *directory, const char *name, const char *unused)
{
    (void)unused;
    if (unlink(path_of(0, directory, name)) != 0)
        stop(path_text[0]);
}

static void copy_one(const char *directory, const char *name, const char *to)
{
    static char bytes[1 << 16];
    ssize_t len;
    int in = open(path_of(0, directory, name), O_RDONLY | O_CLOEXEC);

    /* A copy of a directory that is in use may miss a file that has just gone. */
    if (in < 0 && errno == ENOENT)
        return;
    int out = open(path_of(1, to, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (in < 0 || out < 0)
        stop(path_text[in < 0 ? 0 : 1]);
    while ((len = read(in, bytes, sizeof bytes)) > 0)
        if (write(out, bytes, (size_t)len) != len)
            stop(path_text[1]);
    close(in);
    close(out);
}

void directory_empty(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        stop(path);
    for_each(path, remove_one, NULL);
}

void directory_copy(const char *from, const char *to)
{
    directory_empty(to);
    for_each(from, copy_one, to);
}
