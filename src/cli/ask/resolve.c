/* SPDX-License-Identifier: MIT
 *
 * Names are resolved here and not in the daemon: the one who types has the
 * search list and the /etc/hosts that are meant, and may wait.
 */
#include "cli/ask/resolve.h"
#include "base/words.h"
#include "cli/show/say.h"
#include "node/os/sockaddr.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST_SIZE 256

static enum exit_code refuse(const char *text)
{
    return cli_fail(EXIT_USAGE,
                    "HOST:PORT must be an address or a name and a port, like "
                    "192.0.2.1:7881, [2001:db8::1]:7881 or "
                    "node.example.org:7881, not '%s'",
                    text);
}

/* The part before the last colon, and the number behind it. */
static bool split(const char *text, char host[HOST_SIZE], const char **port)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - text);

    if (len == 0 || len >= HOST_SIZE || memchr(text, ':', len) != NULL ||
        colon[1] == '\0')
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    *port = colon + 1;
    return strspn(*port, "0123456789") == strlen(*port) && strlen(*port) <= 5 &&
           strspn(*port, "0") < strlen(*port);
}

static void take(const struct addrinfo *found, struct resolved *out)
{
    out->count = 0;
    for (; found != NULL && out->count < RESOLVED_MAX; found = found->ai_next) {
        struct endpoint *ep = &out->at[out->count];

        if (sockaddr_to_endpoint(found->ai_addr, ep) == OK)
            out->count++;
    }
}

static enum exit_code say_why_not(const char *host, int err)
{
    enum exit_code code = err == EAI_NONAME  ? EXIT_NEGATIVE
                          : err == EAI_AGAIN ? EXIT_UNANSWERED
                                             : EXIT_TROUBLE;

    return cli_fail(code, "the name %s has no address: %s", host,
                    gai_strerror(err));
}

static enum exit_code look_up(const char *host, const char *port,
                              struct resolved *out)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_DGRAM,
                                   .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    bool shown = isatty(STDERR_FILENO) != 0;
    int err;

    if (shown)
        fprintf(stderr, "\rlooking up %.60s", host);
    err = getaddrinfo(host, port, &hints, &found);
    if (shown)
        fputs("\r\033[K", stderr);
    if (err != 0)
        return say_why_not(host, err);
    take(found, out);
    freeaddrinfo(found);
    return out->count > 0 ? EXIT_DONE : say_why_not(host, EAI_NONAME);
}

enum exit_code cli_resolve(const char *text, struct resolved *out)
{
    char host[HOST_SIZE];
    const char *port;

    if (endpoint_parse(text, &out->at[0]) == OK) {
        out->count = 1;
        return out->at[0].port != 0 ? EXIT_DONE : refuse(text);
    }
    if (!split(text, host, &port))
        return refuse(text);
    if (words_is_hidden_host(host))
        return cli_fail(EXIT_USAGE,
                        "%s is a hidden service, and no node with an address: "
                        "'warren service send' reaches it",
                        host);
    return look_up(host, port, out);
}
