/* SPDX-License-Identifier: MIT
 *
 * A connection reads until its headers end (on_read), is answered once from a
 * page that is made whole in memory (answer), and stays until the other side
 * has closed or its deadline comes: HTTP_CONNECTIONS_MAX of them, each with at
 * most twice HTTP_REQUEST_MAX bytes in and HTTP_PAGE_MAX out, are all that a
 * reader who reads nothing can hold. Memory that runs out ends the connection
 * it ran out for.
 *
 * At the cap one makes way for the next: one that has its answer and only has
 * to close, or else the oldest of the source that holds most. None before its
 * GRACE is over, in which somebody who means it has sent the request and is
 * answered: until then the next waits in the backlog.
 */
#include "node/monitor/http.h"

#include "base/source.h"
#include "node/monitor/http_request.h"
#include "node/os/bind.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64
#define GRACE   (50 * TIME_MS)

struct connection {
    struct http *http;
    struct bufferevent *bev;
    struct event *deadline;
    struct endpoint from;
    uint64_t accepted; /* when */
    bool broken;       /* memory ran out: to be freed by on_read */
    bool answered;     /* what comes after the request is thrown away */
    bool ended;        /* the other side has closed its half */
    TAILQ_ENTRY(connection) link;
};

struct http {
    struct event_base *base;
    struct http_config config;
    struct http_pages pages;
    struct log *log;
    struct endpoint local;
    struct evconnlistener *listener;
    struct event *rest;                   /* ends one of the listener */
    TAILQ_HEAD(, connection) connections; /* oldest first */
    unsigned count;
};

static void connection_free(struct connection *c)
{
    struct http *http = c->http;

    TAILQ_REMOVE(&http->connections, c, link);
    bufferevent_free(c->bev);
    event_free(c->deadline);
    free(c);
    http->count--;
    evconnlistener_enable(http->listener);
}

/* ---- Answers ---- */

static void answer(struct connection *c, const char *status,
                   const char *headers, const char *type,
                   const struct text *body, bool with_body)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);

    c->answered = true;
    if (body->truncated ||
        evbuffer_add_printf(out,
                            "HTTP/1.1 %s\r\n"
                            "Content-Type: %s\r\n"
                            "Content-Length: %zu\r\n"
                            "Cache-Control: no-store\r\n"
                            "%s"
                            "Connection: close\r\n\r\n",
                            status, type, body->len, headers) < 0 ||
        (with_body && evbuffer_add(out, text_get(body), body->len) < 0))
        c->broken = true;
}

static void answer_plain(struct connection *c, const char *status,
                         const char *headers, const char *more, bool with_body)
{
    struct text body;

    text_init(&body, 512);
    text_addf(&body, "%s\n%s", status, more);
    answer(c, status, headers, "text/plain; charset=utf-8", &body, with_body);
    text_deinit(&body);
}

static void answer_metrics(struct connection *c, bool with_body)
{
    struct text body;
    struct metrics m;

    text_init(&body, HTTP_PAGE_MAX);
    metrics_init(&m, &body);
    c->http->pages.metrics(c->http->pages.arg, &m);
    /* Half a page would be read as the whole. */
    if (body.truncated)
        answer_plain(c, "500 Internal Server Error", "", "", with_body);
    else
        answer(c, "200 OK", "", METRICS_CONTENT_TYPE, &body, with_body);
    text_deinit(&body);
}

static void answer_health(struct connection *c, bool with_body)
{
    struct text reason, body;
    bool healthy;

    text_init(&reason, 1024);
    text_init(&body, HTTP_PAGE_MAX);
    healthy = c->http->pages.health(c->http->pages.arg, &reason);
    text_addf(&body, "{\"healthy\":%s", healthy ? "true" : "false");
    if (!healthy) {
        text_add(&body, ",\"reason\":");
        text_add_json(&body, bytes_of(text_get(&reason), reason.len));
    }
    text_add(&body, "}\n");
    if (body.truncated || (!healthy && reason.len == 0))
        answer_plain(c, "500 Internal Server Error", "", "", with_body);
    else
        answer(c, healthy ? "200 OK" : "503 Service Unavailable", "",
               "application/json", &body, with_body);
    text_deinit(&reason);
    text_deinit(&body);
}

/* ---- Requests ---- */

static void answer_request(struct connection *c, const struct http_request *r)
{
    bool get = strcmp(r->method, "GET") == 0;

    if (!http_host_is_ours(r->host, &c->http->config.names))
        answer_plain(c, "421 Misdirected Request", "",
                     "This node is not known by the name that was asked for. "
                     "Ask for an address\nsuch as 127.0.0.1, for localhost, or "
                     "add the name to hosts in [http].\n",
                     true);
    else if (!get && strcmp(r->method, "HEAD") != 0)
        answer_plain(c, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "",
                     true);
    else if (strcmp(r->target, "/metrics") == 0)
        answer_metrics(c, get);
    else if (strcmp(r->target, "/health") == 0)
        answer_health(c, get);
    else
        answer_plain(c, "404 Not Found", "", "", get);
}

static void handle(struct connection *c, struct evbuffer *in, size_t len)
{
    char head[HTTP_REQUEST_MAX + 1];
    struct http_request request;

    if (evbuffer_copyout(in, head, len) != (ssize_t)len)
        c->broken = true;
    else if (http_request_read(head, len, &request))
        answer_request(c, &request);
    else
        answer_plain(c, "400 Bad Request", "", "", true);
}

/* Bytes up to and with `end`; SIZE_MAX where there is none. */
static size_t length_to(struct evbuffer *in, const char *end)
{
    ssize_t at = evbuffer_search(in, end, strlen(end), NULL).pos;

    return at < 0 ? SIZE_MAX : (size_t)at + strlen(end);
}

/* Up to where the headers end; lines may end with or without CR. */
static size_t head_length(struct evbuffer *in)
{
    size_t with = length_to(in, "\r\n\r\n"), without = length_to(in, "\n\n");

    return with < without ? with : without;
}

static void read_request(struct connection *c, struct evbuffer *in)
{
    size_t len = head_length(in);

    if (len <= HTTP_REQUEST_MAX)
        handle(c, in, len);
    else if (evbuffer_get_length(in) >= HTTP_REQUEST_MAX)
        answer_plain(c, "431 Request Header Fields Too Large", "", "", true);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct connection *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);

    if (!c->answered)
        read_request(c, in);
    if (c->answered)
        evbuffer_drain(in, evbuffer_get_length(in));
    if (c->broken)
        connection_free(c);
}

/* All is written. To close now could reset the connection before the other
 * side has read it, if it has sent more than we read: wait for its end. */
static void on_written(struct bufferevent *bev, void *arg)
{
    struct connection *c = arg;

    if (!c->answered)
        return;
    if (c->ended)
        connection_free(c);
    else
        shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
    struct connection *c = arg;

    /* One that sends its request and closes its half wants the answer. */
    if ((what & BEV_EVENT_EOF) != 0 && c->answered &&
        evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        c->ended = true;
    else
        connection_free(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    connection_free(arg);
}

/* ---- Room for one more ---- */

static bool has_its_answer(const struct connection *c)
{
    return c->answered &&
           evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;
}

/* By what the source has at each width: a host with as many connections as a
 * whole line is the one that makes way. */
static unsigned weight(const struct http *http, const struct endpoint *source)
{
    unsigned most = 0;

    for (int level = 0; level < SOURCE_LEVELS; level++) {
        unsigned n = 0;

        for (const struct connection *c = TAILQ_FIRST(&http->connections);
             c != NULL; c = TAILQ_NEXT(c, link))
            n += source_same(&c->from, source, level);
        n <<= SOURCE_LEVELS - 1 - level;
        most = n > most ? n : most;
    }
    return most;
}

/* The one that makes way; there are some. */
static struct connection *next_to_go(const struct http *http)
{
    struct connection *best = NULL;
    unsigned most = 0;

    for (struct connection *c = TAILQ_FIRST(&http->connections); c != NULL;
         c = TAILQ_NEXT(c, link)) {
        unsigned n = weight(http, &c->from);

        if (has_its_answer(c))
            return c;
        if (n > most) {
            most = n;
            best = c;
        }
    }
    return best;
}

static void rest(struct http *http, uint64_t ns)
{
    struct timeval tv = clock_timeval(ns);

    if (evtimer_add(http->rest, &tv) == 0)
        evconnlistener_disable(http->listener);
}

/* With all places taken, the next one is accepted when one of those there can
 * make way. */
static void rest_while_full(struct http *http)
{
    const struct connection *c;
    uint64_t age;

    if (http->count < http->config.connections)
        return;
    c = next_to_go(http);
    age = clock_now() - c->accepted;
    if (!has_its_answer(c) && age < GRACE)
        rest(http, GRACE - age);
}

/* ---- Connections ---- */

/* Takes `fd` over, whatever it returns. */
static struct connection *connection_new(struct http *http, int fd)
{
    struct connection *c = calloc(1, sizeof(*c));
    uint64_t us = http->config.deadline / TIME_US;
    struct timeval tv = {.tv_sec = (time_t)(us / 1000000),
                         .tv_usec = (suseconds_t)(us % 1000000)};

    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->http = http;
    c->deadline = evtimer_new(http->base, on_deadline, c);
    c->bev = bufferevent_socket_new(http->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->deadline == NULL || c->bev == NULL ||
        evtimer_add(c->deadline, &tv) < 0) {
        if (c->deadline != NULL)
            event_free(c->deadline);
        if (c->bev != NULL)
            bufferevent_free(c->bev); /* closes fd */
        else
            close(fd);
        free(c);
        return NULL;
    }
    return c;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *from, int len, void *arg)
{
    struct http *http = arg;
    struct connection *c;

    (void)listener;
    (void)len;
    if (http->count == http->config.connections)
        connection_free(next_to_go(http));
    c = connection_new(http, fd);
    if (c == NULL)
        return;
    c->accepted = clock_now();
    sockaddr_to_endpoint(from, &c->from);
    TAILQ_INSERT_TAIL(&http->connections, c, link);
    http->count++;
    /* A high watermark would do too, but libevent 2.1 does not survive that its
     * allocation fails. */
    bufferevent_set_max_single_read(c->bev, HTTP_REQUEST_MAX);
    bufferevent_setcb(c->bev, on_read, on_written, on_end, c);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) < 0)
        connection_free(c);
    rest_while_full(http);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = arg;

    (void)fd;
    (void)what;
    evconnlistener_enable(http->listener);
}

/* Out of descriptors, most likely. Without a rest the loop would spin on the
 * connection that it cannot accept. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct http *http = arg;

    (void)listener;
    log_warn(http->log, "cannot accept an HTTP connection: %s",
             strerror(errno));
    rest(http, TIME_S);
}

/* Takes `fd` over. */
static bool listen_on(struct http *http, int fd)
{
    http->listener = evconnlistener_new(
        http->base, on_accept, http,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    if (http->listener == NULL) {
        close(fd);
        return false;
    }
    http->rest = evtimer_new(http->base, on_rested, http);
    if (http->rest == NULL) {
        evconnlistener_free(http->listener); /* closes fd */
        return false;
    }
    evconnlistener_set_error_cb(http->listener, on_accept_error);
    return true;
}

enum error http_new(struct event_base *base, const struct http_config *config,
                    const struct http_pages *pages, struct log *log,
                    struct http **out, struct text *why)
{
    struct http *http = calloc(1, sizeof(*http));
    enum error err = ERR_NO_MEMORY;
    int fd;

    if (http == NULL)
        return err;
    http->base = base;
    TAILQ_INIT(&http->connections);
    http->config = *config;
    http->pages = *pages;
    http->log = log;
    err = bind_socket(SOCK_STREAM, &config->listen, "--http", &fd, &http->local,
                      why);
    if (err != OK)
        goto fail;
    if (!listen_on(http, fd)) {
        err = ERR_NO_MEMORY;
        goto fail;
    }
    *out = http;
    return OK;
fail:
    free(http);
    return err;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    while (!TAILQ_EMPTY(&http->connections))
        connection_free(TAILQ_FIRST(&http->connections));
    evconnlistener_free(http->listener);
    event_free(http->rest);
    free(http);
}

struct endpoint http_local(const struct http *http)
{
    return http->local;
}

unsigned http_connections(const struct http *http)
{
    return http->count;
}
