/* SPDX-License-Identifier: MIT
 *
 * Unix stream sockets by path: taken over from the dead, not from the living.
 */
#ifndef WARREN_NODE_OS_UNIX_SOCKET_H
#define WARREN_NODE_OS_UNIX_SOCKET_H

#include "base/error.h"
#include "base/text.h"

#include <sys/types.h>
#include <sys/un.h>

struct unix_listener {
    int fd;
    struct sockaddr_un address;
    dev_t device; /* of the file that we made */
    ino_t inode;
};

/* Binds `path` with mode 0600 and listens, non-blocking. On failure `why` gets
 * a sentence: ERR_IN_USE (somebody listens there, or it is another kind of
 * file), ERR_TOO_LARGE (the path does not fit), ERR_IO. */
enum error unix_listen(const char *path, struct unix_listener *out,
                       struct text *why);
/* Closes it, and removes the file unless it is somebody else's by now. */
void unix_unlisten(struct unix_listener *l);

/* Connects, blocking. ERR_NOT_FOUND: nobody listens there. ERR_TIMEOUT: who
 * does accepts nobody for some seconds. Others as above. */
enum error unix_connect(const char *path, int *fd, struct text *why);

#endif
