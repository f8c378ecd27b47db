/* SPDX-License-Identifier: MIT
 *
 * A DNS server on a libevent loop, by UDP and TCP, on a port of 127.0.0.x. The
 * first label of a name says what comes of it:
 *
 *     two      192.0.2.1 and .2, for 60 s   silent   nothing
 *     both     192.0.2.1 and 2001:db8::1    failing  SERVFAIL
 *     long     40 addresses, cut off        refused  REFUSED
 *              by UDP                       empty    no addresses
 *     many     20 of IPv4 and 2001:db8::1
 *     other    an answer about a name that differs in upper and lower case
 *     anything else                         there is no such name
 *
 * Of addresses (PTR) that end in 1 it says one.example; in 2 the same, by way
 * of a CNAME; in 3 nothing; in 4 a name with a slash. Of IPv6 those bytes are
 * nibbles.
 */
#ifndef WARREN_TESTS_NAME_SERVER_H
#define WARREN_TESTS_NAME_SERVER_H

#include "testing.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endpoint.h"

#define NAME_SERVER_LOG 128

struct name_server {
    struct event_base *base;
    int udp, tcp;
    struct event *on_udp, *on_tcp;
    struct endpoint at;
    bool mute;                       /* says nothing to nobody */
    unsigned asked, by_tcp;          /* questions */
    char name[256];                  /* the last one's, as it was written */
    uint16_t ports[NAME_SERVER_LOG]; /* where the first ones came from */
    char names[NAME_SERVER_LOG][256];
};

static inline size_t name_server_put(uint8_t *out, size_t at, unsigned kind,
                                     unsigned last)
{
    /* the name of the question, of class IN */
    uint8_t head[12] = {0xc0, 12, 0, (uint8_t)kind, 0, 1, 0, 0, 0, 60};
    uint8_t addr[16] = {192, 0, 2, (uint8_t)last};
    size_t len = kind == 28 ? 16 : 4;

    if (kind == 28)
        memcpy(addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    head[11] = (uint8_t)len;
    memcpy(out + at, head, 12);
    memcpy(out + at + 12, addr, len);
    return at + 12 + len;
}

/* A name on the wire, from its text. */
static inline size_t name_server_put_name(uint8_t *out, const char *name)
{
    size_t at = 0;

    for (const char *dot; *name != '\0'; name = *dot == '.' ? dot + 1 : dot) {
        dot = strchr(name, '.') != NULL ? strchr(name, '.')
                                        : name + strlen(name);
        out[at] = (uint8_t)(dot - name);
        memcpy(out + at + 1, name, (size_t)(dot - name));
        at += 1 + (size_t)(dot - name);
    }
    out[at] = 0;
    return at + 1;
}

/* Of type PTR or CNAME; `owner` NULL: the question's name. */
static inline size_t name_server_put_pointer(uint8_t *out, size_t at,
                                             unsigned kind, const char *owner,
                                             const char *name)
{
    size_t len;

    if (owner != NULL) {
        at += name_server_put_name(out + at, owner);
    } else {
        out[at++] = 0xc0;
        out[at++] = 12;
    }
    memcpy(out + at, (uint8_t[]){0, (uint8_t)kind, 0, 1, 0, 0, 0, 60, 0}, 9);
    len = name_server_put_name(out + at + 10, name);
    out[at + 9] = (uint8_t)len;
    return at + 10 + len;
}

/* Records about the name of an address. */
static inline unsigned name_server_reverse(uint8_t *out, size_t *at, char last)
{
    switch (last) {
    case '1':
        *at = name_server_put_pointer(out, *at, 12, NULL, "one.example");
        return 1;
    case '2':
        *at = name_server_put_pointer(out, *at, 5, NULL, "x.reverse.example");
        *at = name_server_put_pointer(out, *at, 12, "x.reverse.example",
                                      "one.example");
        return 2;
    case '4':
        *at = name_server_put_pointer(out, *at, 12, NULL, "a/b.example");
        return 1;
    default:
        return 0;
    }
}

static inline bool name_server_is(const char *name, const char *label)
{
    return strncasecmp(name, label, strlen(label)) == 0;
}

/* The answer's length; 0: none. */
static inline size_t name_server_answer(struct name_server *s, const uint8_t *q,
                                        size_t len, bool tcp, uint8_t out[2048])
{
    size_t at = 12, end;
    unsigned kind, records = 0, code = 0, pointers = 0;
    bool cut = false;

    s->name[0] = '\0';
    for (; at < len && q[at] != 0; at += 1u + q[at])
        snprintf(s->name + strlen(s->name), sizeof(s->name) - strlen(s->name),
                 "%s%.*s", at == 12 ? "" : ".", q[at],
                 (const char *)q + at + 1);
    kind = (unsigned)(q[at + 1] << 8 | q[at + 2]);
    at = end = at + 5;
    memset(out, 0, 2048);
    memcpy(out, q, at);
    if (s->mute || name_server_is(s->name, "silent"))
        return 0;
    if (name_server_is(s->name, "failing"))
        code = 2;
    else if (name_server_is(s->name, "refused"))
        code = 5;
    else if (name_server_is(s->name, "two") || name_server_is(s->name, "other"))
        records = kind == 1 ? 2 : 0;
    else if (name_server_is(s->name, "both"))
        records = 1;
    else if (name_server_is(s->name, "many"))
        records = kind == 1 ? 20 : 1;
    else if (name_server_is(s->name, "long"))
        records = kind == 1 && tcp ? 40 : 0, cut = kind == 1 && !tcp;
    else if (kind == 12 && s->name[0] >= '1' && s->name[0] <= '4')
        pointers = name_server_reverse(out, &at, s->name[0]);
    else if (!name_server_is(s->name, "empty"))
        code = 3;
    if (name_server_is(s->name, "other"))
        for (size_t i = 12; i < end - 4; i++)
            out[i] = (uint8_t)(isalpha(out[i]) ? out[i] ^ 0x20 : out[i]);
    for (unsigned i = 0; i < records; i++)
        at = name_server_put(out, at, kind, i + 1);
    out[2] = (uint8_t)(0x81 | (cut ? 2 : 0));
    out[3] = (uint8_t)(0x80 | code);
    out[7] = (uint8_t)(records + pointers);
    out[9] = out[11] = 0;
    return at;
}

static inline void name_server_note(struct name_server *s, uint16_t port)
{
    if (s->asked < NAME_SERVER_LOG) {
        s->ports[s->asked] = port;
        memcpy(s->names[s->asked], s->name, sizeof(s->name));
    }
    s->asked++;
}

static inline void name_server_on_udp(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    uint8_t q[1024], out[2048];
    ssize_t n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &size);
    size_t len;

    (void)what;
    if (n < 17)
        return;
    len = name_server_answer(s, q, (size_t)n, false, out);
    name_server_note(s, ntohs(from.sin_port));
    if (len > 0)
        sendto(fd, out, len, 0, (struct sockaddr *)&from, size);
}

static inline void name_server_on_stream(evutil_socket_t fd, short what,
                                         void *arg)
{
    struct name_server *s = arg;
    uint8_t q[1024], out[2 + 2048];
    ssize_t n = recv(fd, q, sizeof(q), 0);
    size_t len;

    (void)what;
    if (n > 19) {
        len = name_server_answer(s, q + 2, (size_t)n - 2, true, out + 2);
        s->by_tcp++;
        out[0] = (uint8_t)(len >> 8);
        out[1] = (uint8_t)len;
        if (len > 0 && send(fd, out, len + 2, MSG_NOSIGNAL) < 0)
            perror("send");
    }
    close(fd);
}

static inline void name_server_on_tcp(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;
    int peer = accept(fd, NULL, NULL);

    (void)what;
    if (peer >= 0)
        event_base_once(s->base, peer, EV_READ, name_server_on_stream, s, NULL);
}

/* Binds both to one port that is free for both. */
static inline bool name_server_bind(struct name_server *s, uint8_t last)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(0x7f000000u + last)};
    socklen_t len = sizeof(sa);

    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(s->tcp, (struct sockaddr *)&sa, len) == 0 &&
        listen(s->tcp, 8) == 0 &&
        getsockname(s->tcp, (struct sockaddr *)&sa, &len) == 0 &&
        bind(s->udp, (struct sockaddr *)&sa, len) == 0) {
        s->at = (struct endpoint){.family = FAMILY_IPV4,
                                  .port = ntohs(sa.sin_port),
                                  .addr = {127, 0, 0, last}};
        return true;
    }
    close(s->tcp);
    close(s->udp);
    return false;
}

/* On 127.0.0.`last`, any port, the same for both. */
static inline void name_server_open(struct name_server *s,
                                    struct event_base *base, uint8_t last)
{
    *s = (struct name_server){.base = base};
    while (!name_server_bind(s, last))
        continue;
    s->on_udp =
        event_new(base, s->udp, EV_READ | EV_PERSIST, name_server_on_udp, s);
    s->on_tcp =
        event_new(base, s->tcp, EV_READ | EV_PERSIST, name_server_on_tcp, s);
    event_add(s->on_udp, NULL);
    event_add(s->on_tcp, NULL);
}

static inline void name_server_close(struct name_server *s)
{
    event_free(s->on_udp);
    event_free(s->on_tcp);
    close(s->udp);
    close(s->tcp);
}

#endif
