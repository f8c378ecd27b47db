/* SPDX-License-Identifier: MIT */
#include "node/os/file_kind.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

const char *file_kind(mode_t mode)
{
    if (S_ISREG(mode))
        return "a regular file";
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISLNK(mode))
        return "a symbolic link";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

bool file_explain_dangling(int dirfd, const char *name, struct text *why)
{
    char target[PATH_MAX];
    struct stat st;
    ssize_t len;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISLNK(st.st_mode) || fstatat(dirfd, name, &st, 0) == 0)
        return false;
    len = readlinkat(dirfd, name, target, sizeof(target));
    if (len < 0)
        return false;
    text_addf(why,
              "%s is a symbolic link to %.*s, which is not there; put the file "
              "there, or remove the link to have a new file made",
              name, (int)len, target);
    return true;
}
