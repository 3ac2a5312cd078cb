/*
 * files.h - directories of small files: copied and emptied between one life and the next.
 */
#ifndef FILES_H
#define FILES_H

/* Makes `to` hold what `from` holds, and nothing else; ends the program when that cannot be done.
 */
void directory_copy(const char *from, const char *to);
/* Removes the files in it, and makes it if it is not there. */
void directory_empty(const char *path);

#endif
