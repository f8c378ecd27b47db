/* SPDX-License-Identifier: MIT
 *
 * One socket and the source that it heard last. On loopback alone: who reaches
 * the socket reaches the service as this node.
 */
#include "node/service/local_listener.h"

#include "node/os/bind.h"
#include "node/os/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH       16
#define PAYLOAD_MAX 65536

struct local_listener {
    int fd;
    struct event *readable;
    local_heard_fn *heard;
    void *arg;
    struct sockaddr_storage source;
    socklen_t source_len; /* 0: none yet */
    bool *freed;          /* while the program's datagram is told */
    uint8_t buffer[PAYLOAD_MAX];
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct local_listener *l = arg;
    bool freed = false;

    (void)what;
    l->freed = &freed;
    for (int i = 0; i < BATCH && !freed; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(fd, l->buffer, sizeof(l->buffer), MSG_DONTWAIT,
                             (struct sockaddr *)&from, &len);

        if (n < 0)
            break;
        l->source = from;
        l->source_len = len;
        l->heard(l->arg, bytes_of(l->buffer, (size_t)n));
    }
    if (!freed)
        l->freed = NULL;
}

enum error local_listener_new(struct event_base *base,
                              const struct endpoint *at, local_heard_fn *heard,
                              void *arg, struct local_listener **out,
                              struct endpoint *where, struct text *why)
{
    struct local_listener *l;
    enum error err;

    if (!endpoint_is_loopback(at)) {
        text_add(why, "--listen must be an address of loopback, like "
                      "127.0.0.1:5353: whoever reaches it speaks as this node");
        return ERR_FORBIDDEN;
    }
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return ERR_NO_MEMORY;
    l->heard = heard;
    l->arg = arg;
    err = bind_socket(SOCK_DGRAM, at, "--listen", &l->fd, where, why);
    if (err != OK) {
        free(l);
        return err;
    }
    l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
    if (l->readable == NULL || event_add(l->readable, NULL) != 0) {
        local_listener_free(l);
        return ERR_NO_MEMORY;
    }
    *out = l;
    return OK;
}

void local_listener_free(struct local_listener *l)
{
    if (l == NULL)
        return;
    if (l->freed != NULL)
        *l->freed = true;
    if (l->readable != NULL)
        event_free(l->readable);
    close(l->fd);
    free(l);
}

enum error local_listener_send(struct local_listener *l, struct bytes payload)
{
    ssize_t r;

    if (l->source_len == 0)
        return ERR_NOT_FOUND;
    r = sendto(l->fd, payload.p, payload.len, MSG_DONTWAIT,
               (struct sockaddr *)&l->source, l->source_len);
    if (r >= 0)
        return OK;
    return errno == EMSGSIZE ? ERR_TOO_LARGE : ERR_IO;
}
