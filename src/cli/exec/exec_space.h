/* SPDX-License-Identifier: MIT
 *
 * Namespaces for one program, made without privileges: a user namespace, in
 * which we may do the rest; a network with nothing but loopback, whose kernel
 * takes every address for its own (AnyIP) and hands every connection and
 * datagram to sockets of ours (TPROXY); and mounts in which resolv.conf names
 * our resolver, and sockets of those who would resolve or fetch for the program
 * are hidden.
 *
 * The kernel's own TCP talks to the program, and getsockname() tells where it
 * wanted to go, so that neither a tun device nor a TCP of ours is needed.
 *
 *     exec_space_make    a process of ours makes it all, and holds it
 *     exec_space_enter   this process goes there, for good
 *
 * Nothing of this process has changed when making it fails.
 */
#ifndef WARREN_CLI_EXEC_EXEC_SPACE_H
#define WARREN_CLI_EXEC_EXEC_SPACE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <sys/types.h>

/* Sockets in the network, by family; -1 where there is no IPv6. Not blocking.
 * What `raw` sends goes to programs there, from whatever address it says. */
struct exec_sockets {
    int tcp[FAMILIES]; /* listening; a connection's own address is where it
                          went */
    int udp[FAMILIES]; /* with the address that a datagram went to beside it */
    int raw[FAMILIES];
    int dns; /* port 53 of loopback; knows where a question went */
};

struct exec_space {
    pid_t holder;
    int holder_fd; /* a pidfd */
    int talk;      /* to the holder, which ends when it is closed */
    struct exec_sockets sockets;
};

/* This process is in such a space already: it has the address of its own. */
bool exec_space_is_here(void);

/* ERR_UNSUPPORTED, with a sentence in `why`: what the system does not allow or
 * have. */
enum error exec_space_make(struct exec_space *out, struct text *why);
/* Closes the sockets, which are this process's no longer. */
void exec_space_forget_sockets(struct exec_space *s);
void exec_space_free(struct exec_space *s);

/* This process moves there, and gives up the privileges that it has there, for
 * itself and for all that it will start. Of sockets that it has inherited those
 * that lead to the machine's network are closed. ERR_IO, with a sentence: then
 * there is no way back. */
enum error exec_space_enter(struct exec_space *s, struct text *why);

#endif
