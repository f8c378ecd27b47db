/* SPDX-License-Identifier: MIT
 *
 * A connection reads until its headers end (on_read), is answered once from a
 * page that is made whole in memory (answer), and stays until the other side
 * has closed or its deadline comes: HTTP_CONNECTIONS_MAX of them, each with at
 * most twice HTTP_REQUEST_MAX bytes in and HTTP_PAGE_MAX out, are all that a
 * reader who reads nothing can hold. Memory that runs out ends the connection
 * it ran out for.
 */
#include "node/monitor/http.h"

#include "node/os/bind.h"

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

struct connection {
    struct http *http;
    struct bufferevent *bev;
    struct event *deadline;
    bool broken;   /* memory ran out: to be freed by on_read */
    bool answered; /* what comes after the request is thrown away */
    bool ended;    /* the other side has closed its half */
    LIST_ENTRY(connection) link;
};

struct http {
    struct event_base *base;
    struct http_config config;
    struct http_pages pages;
    struct log *log;
    struct endpoint local;
    struct evconnlistener *listener;
    struct event *rest; /* after an error of the listener */
    LIST_HEAD(, connection) connections;
    unsigned count;
};

static void connection_free(struct connection *c)
{
    struct http *http = c->http;

    LIST_REMOVE(c, link);
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
                         const char *headers, bool with_body)
{
    struct text body;

    text_init(&body, 256);
    text_addf(&body, "%s\n", status);
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
        answer_plain(c, "500 Internal Server Error", "", with_body);
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
        answer_plain(c, "500 Internal Server Error", "", with_body);
    else
        answer(c, healthy ? "200 OK" : "503 Service Unavailable", "",
               "application/json", &body, with_body);
    text_deinit(&reason);
    text_deinit(&body);
}

/* ---- Requests ---- */

/* "METHOD TARGET HTTP/1.x", cut into words in place. */
static bool split_request(char *line, char **method, char **target)
{
    char *space = strchr(line, ' '), *version;

    if (space == NULL || space == line)
        return false;
    *method = line;
    *space = '\0';
    *target = space + 1;
    space = strchr(*target, ' ');
    if (space == NULL || (*target)[0] != '/')
        return false;
    *space = '\0';
    version = space + 1;
    (*target)[strcspn(*target, "?#")] = '\0';
    return strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0;
}

static void handle(struct connection *c, char *line)
{
    char *method, *target;
    bool get;

    if (!split_request(line, &method, &target)) {
        answer_plain(c, "400 Bad Request", "", true);
        return;
    }
    get = strcmp(method, "GET") == 0;
    if (!get && strcmp(method, "HEAD") != 0)
        answer_plain(c, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", true);
    else if (strcmp(target, "/metrics") == 0)
        answer_metrics(c, get);
    else if (strcmp(target, "/health") == 0)
        answer_health(c, get);
    else
        answer_plain(c, "404 Not Found", "", get);
}

static bool ends_in_time(struct evbuffer *in, const char *end)
{
    ssize_t at = evbuffer_search(in, end, strlen(end), NULL).pos;

    return at >= 0 && (size_t)at + strlen(end) <= HTTP_REQUEST_MAX;
}

/* True when the headers have ended; lines may end with or without CR. */
static bool has_whole_request(struct evbuffer *in)
{
    return ends_in_time(in, "\r\n\r\n") || ends_in_time(in, "\n\n");
}

static void read_request(struct connection *c, struct evbuffer *in)
{
    char *line;

    if (!has_whole_request(in)) {
        if (evbuffer_get_length(in) >= HTTP_REQUEST_MAX)
            answer_plain(c, "431 Request Header Fields Too Large", "", true);
        return;
    }
    line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
    if (line == NULL)
        c->broken = true;
    else
        handle(c, line);
    free(line);
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
    struct connection *c = connection_new(http, fd);

    (void)from;
    (void)len;
    if (c == NULL)
        return;
    LIST_INSERT_HEAD(&http->connections, c, link);
    if (++http->count == HTTP_CONNECTIONS_MAX)
        evconnlistener_disable(listener);
    /* A high watermark would do too, but libevent 2.1 does not survive that its
     * allocation fails. */
    bufferevent_set_max_single_read(c->bev, HTTP_REQUEST_MAX);
    bufferevent_setcb(c->bev, on_read, on_written, on_end, c);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) < 0)
        connection_free(c);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = arg;

    (void)fd;
    (void)what;
    if (http->count < HTTP_CONNECTIONS_MAX)
        evconnlistener_enable(http->listener);
}

/* Out of descriptors, most likely. Without a rest the loop would spin on the
 * connection that it cannot accept. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct http *http = arg;
    struct timeval second = {.tv_sec = 1};

    log_warn(http->log, "cannot accept an HTTP connection: %s",
             strerror(errno));
    if (evtimer_add(http->rest, &second) == 0)
        evconnlistener_disable(listener);
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
    LIST_INIT(&http->connections);
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
    while (!LIST_EMPTY(&http->connections))
        connection_free(LIST_FIRST(&http->connections));
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
