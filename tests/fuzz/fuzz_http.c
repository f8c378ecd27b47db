/* SPDX-License-Identifier: MIT
 *
 * Requests to the pages for monitoring, over a real connection: in pieces,
 * ended early, and by connections that are left behind. Whatever comes, the
 * answer is one of those that there are, whole, and the last connection ends;
 * a good request after it is answered.
 *
 * The first byte says what the pages are like, and whether there is hardly any
 * time. The rest is what is sent: a byte 0xff ends a piece; 0xfe is followed by
 * another connection; 0xfd closes the half that sends.
 */
#include "fuzz.h"

#include "node/monitor/http.h"
#include "node/os/sockaddr.h"

#include <assert.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS (HTTP_CONNECTIONS_MAX + 2)
#define ANSWER_MAX  4096

static struct event_base *base;
/* With time enough, with hardly any, and without files. */
static struct {
    struct http *http;
    struct sockaddr_storage at;
    socklen_t at_len;
} servers[3], *server;
static uint8_t pages_are; /* bits: healthy, without a reason, too long */

static void metrics_page(void *arg, struct metrics *m)
{
    (void)arg;
    metrics_gauge(m, "warren_nodes", "Nodes.", 7);
    m->out->truncated = (pages_are & 4) != 0;
}

static bool health_page(void *arg, struct text *reason)
{
    (void)arg;
    if ((pages_are & 3) == 0)
        text_add(reason, "no \"peers\"");
    return pages_are & 1;
}

static void stop(void)
{
    http_free(servers[0].http);
    http_free(servers[1].http);
    event_base_free(base);
}

static void start_server(int i, uint64_t deadline)
{
    const struct http_pages pages = {NULL, metrics_page, health_page};
    struct http_config config = {.connections = HTTP_CONNECTIONS_MAX,
                                 .deadline = deadline,
                                 .names = {1, {"node.example"}}};
    struct http *second;
    struct endpoint local;
    struct text why;

    text_init(&why, 256);
    assert(endpoint_parse("127.0.0.1:0", &config.listen) == OK);
    assert(http_new(base, &config, &pages, NULL, &servers[i].http, &why) == OK);
    config.listen = local = http_local(servers[i].http);
    assert(http_new(base, &config, &pages, NULL, &second, &why) == ERR_IN_USE);
    text_deinit(&why);
    servers[i].at_len = sockaddr_from_endpoint(&local, &servers[i].at);
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

/* From an address after the other: each has only so many ports, and those of
 * connections that the client ended are not to be had for a minute; then the
 * next address is tried. */
static int open_connection(void)
{
    static unsigned n;
    struct sockaddr_in from = {.sin_family = AF_INET};

    for (int tries = 0; tries < 100; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        from.sin_addr.s_addr = htonl(0x7f010000u + n++ % 65000u);
        assert(fd >= 0);
        assert(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0);
        if (connect(fd, (struct sockaddr *)&server->at, server->at_len) == 0)
            return fd;
        close(fd);
    }
    assert(!"a port to connect from");
    return -1;
}

/* Without the wait of an orderly end, of which there are only so many. */
static void close_connection(int fd)
{
    struct linger now = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

/* A server that cannot accept, and ends with a connection. */
static void run_out_of_files(void)
{
    struct rlimit before, none;
    int fds[2], next;

    server = &servers[2];
    start_server(2, TIME_HOUR);
    fds[0] = open_connection();
    turn();
    fds[1] = open_connection();
    next = dup(fds[0]);
    close(next);
    assert(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
    turn();
    assert(setrlimit(RLIMIT_NOFILE, &before) == 0);
    assert(http_connections(server->http) == 1);
    http_free(server->http);
    close_connection(fds[0]);
    close_connection(fds[1]);
}

static void start(void)
{
    if (base != NULL)
        return;
    base = event_base_new();
    assert(base != NULL);
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    start_server(0, TIME_HOUR);
    start_server(1, TIME_MS);
    run_out_of_files();
    atexit(stop);
}

static void send_piece(int fd, struct bytes piece)
{
    if (piece.len > 0)
        (void)!send(fd, piece.p, piece.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    turn();
}

/* What has come so far; its length. */
static size_t receive(int fd, char out[ANSWER_MAX])
{
    size_t len = 0;
    ssize_t n;

    do {
        n = recv(fd, out + len, ANSWER_MAX - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    out[len] = '\0';
    return len;
}

static void check_answer(const char *answer, size_t len)
{
    static const char *const lines[] = {"200", "503", "400", "404", "405",
                                        "431", "421", "403", "500"};
    const char *end = strstr(answer, "\r\n\r\n");
    const char *length = strstr(answer, "Content-Length: ");
    bool known = false;

    assert(strncmp(answer, "HTTP/1.1 ", 9) == 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        known |= strncmp(answer + 9, lines[i], 3) == 0;
    assert(known && end != NULL && length != NULL && length < end);
    /* To HEAD there is no body. */
    end += 4;
    assert(end == answer + len ||
           (size_t)(answer + len - end) == strtoul(length + 16, NULL, 10));
}

static bool finish(int fd)
{
    char answer[ANSWER_MAX];
    size_t len;

    turn();
    len = receive(fd, answer);
    if (len > 0)
        check_answer(answer, len);
    close_connection(fd);
    return len > 0;
}

/* Nobody who was there before is in the way. */
static void ask_well(void)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost"
                                  "\r\n\r\n";
    int fd = open_connection();

    send_piece(fd, bytes_of_text(request));
    assert(finish(fd) || server == &servers[1]);
    while (http_connections(server->http) > 0)
        turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[CONNECTIONS];
    unsigned count = 1;
    size_t from = 1;

    if (size == 0)
        return 0;
    start();
    pages_are = data[0];
    server = &servers[(data[0] & 0xf0) == 0xf0];
    fds[0] = open_connection();
    for (size_t i = 1; i < size; i++) {
        if (data[i] < 0xfd)
            continue;
        send_piece(fds[count - 1], bytes_of(data + from, i - from));
        from = i + 1;
        if (data[i] == 0xfe && count < CONNECTIONS)
            fds[count++] = open_connection();
        else if (data[i] == 0xfd)
            shutdown(fds[count - 1], SHUT_WR);
    }
    send_piece(fds[count - 1], bytes_of(data + from, size - from));
    if (server == &servers[1])
        usleep(1500);
    while (count > 0)
        finish(fds[--count]);
    pages_are = 1;
    ask_well();
    return 0;
}
