/* SPDX-License-Identifier: MIT
 *
 * Connections that a program in a space of ours has made: each is carried to
 * the daemon's proxy, with the name or the address that it went to.
 *
 *     program             proxy
 *     end of file    ->   end of file     and the other half goes on
 *     reset          ->   reset
 *     end of file    <-   end of file
 *     reset          <-   reset, refused
 *
 * What one side does not take is not read from the other. The kernel has
 * accepted a connection before the proxy has: one that is refused is reset.
 */
#ifndef WARREN_CLI_EXEC_EXEC_STREAM_H
#define WARREN_CLI_EXEC_EXEC_STREAM_H

#include "base/error.h"
#include "cli/exec/exec_names.h"
#include "cli/exec/exec_socks.h"

#include <sys/queue.h>

/* At a time; more wait to be accepted. A circuit carries 1000. */
#define EXEC_STREAMS_MAX 960

struct event;
struct event_base;
struct exec_stream;

struct exec_streams {
    struct event_base *base;
    const struct exec_proxy *proxy;
    struct exec_names *names;
    struct event *readable[FAMILIES]; /* NULL: not of this family */
    struct event *rested;
    unsigned count;
    LIST_HEAD(, exec_stream) list;
};

/* Takes what comes to these listening sockets (-1: none) from now on. The
 * others outlive it. ERR_NO_MEMORY. */
enum error exec_streams_start(struct exec_streams *s, struct event_base *base,
                              const struct exec_proxy *proxy,
                              struct exec_names *names,
                              const int listening[FAMILIES]);
/* Resets all. */
void exec_streams_stop(struct exec_streams *s);

#endif
