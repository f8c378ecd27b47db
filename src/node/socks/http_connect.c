/* SPDX-License-Identifier: MIT
 *
 * CONNECT of HTTP/1.x: a request line, headers of which only
 * Proxy-Authorization (Basic, RFC 7617) is looked at, and an empty line. They
 * come line by line; a longer one than there is room for is dropped as it
 * comes, up to SOCKS_HTTP_HEAD_MAX in all.
 *
 * Whatever else a browser sends here, a page of a stranger may have told it
 * to: it is answered with an error and reaches nobody.
 */
#include "node/socks/socks_internal.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BLANKS        " \t"
#define AUTHORIZATION "Proxy-Authorization"
#define SCHEME        "Basic"

/* ---- Answers ---- */

static void refuse(struct socks_handshake *h, const char *status,
                   const char *headers, const char *body)
{
    char said[SOCKS_OUT_MAX];
    int len = snprintf(said, sizeof(said),
                       "HTTP/1.1 %s\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\n"
                       "Content-Length: %zu\r\n"
                       "%s"
                       "Connection: close\r\n\r\n"
                       "%s",
                       status, strlen(body), headers, body);

    h->state = SOCKS_OVER;
    handshake_say(h, bytes_of(said, (size_t)len));
}

void http_done(struct socks_handshake *h)
{
    handshake_say(h,
                  bytes_of_text("HTTP/1.1 200 Connection established\r\n\r\n"));
}

void http_refuse(struct socks_handshake *h, enum reason why)
{
    char body[128];

    snprintf(body, sizeof(body), "warren: no connection: %s.\n",
             reason_text(why));
    refuse(h, http_status_of(why), "", body);
}

static void refuse_syntax(struct socks_handshake *h, const char *body)
{
    refuse(h, "400 Bad Request", "", body);
}

static void refuse_method(struct socks_handshake *h)
{
    refuse(h, "405 Method Not Allowed", "Allow: CONNECT\r\n",
           "This port is warren's proxy, not a web server: it speaks SOCKS5, "
           "SOCKS4a and\nCONNECT of HTTP. Enter it as a SOCKS5 proxy where "
           "names are looked\nup by the proxy.\n");
}

static void refuse_scheme(struct socks_handshake *h)
{
    refuse(h, "407 Proxy Authentication Required",
           "Proxy-Authenticate: Basic realm=\"warren\"\r\n",
           "Any user and password are right, as Basic; who gives others has "
           "other circuits.\n");
}

static void refuse_size(struct socks_handshake *h)
{
    refuse(h, "431 Request Header Fields Too Large", "",
           "The headers are longer than this proxy reads.\n");
}

/* ---- Lines ---- */

/* With its end, or as much as there is room for, or one byte more than the
 * head may have. */
size_t http_line_length(const struct socks_handshake *h)
{
    size_t max = SOCKS_HTTP_HEAD_MAX + 1u - h->http_taken;

    max = max < SOCKS_IN_MAX ? max : SOCKS_IN_MAX;
    if (h->have == max || (h->have > 0 && h->in[h->have - 1] == '\n'))
        return h->have;
    return h->have + 1u;
}

static bool line_is_whole(const struct socks_handshake *h)
{
    return h->in[h->have - 1] == '\n';
}

/* As a string without its end; NULL when there is a NUL in it. */
static char *line_text(struct socks_handshake *h)
{
    char *line = (char *)h->in;
    size_t len = h->have;

    if (line[len - 1] == '\n')
        len--;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    return strlen(line) == len ? line : NULL;
}

/* False, and refused, when the head has got too long. */
static bool count(struct socks_handshake *h)
{
    h->http_taken = (uint16_t)(h->http_taken + h->have);
    if (h->http_taken <= SOCKS_HTTP_HEAD_MAX)
        return true;
    refuse_size(h);
    return false;
}

/* ---- Request line ---- */

static bool read_port(const char *text, uint16_t *out)
{
    size_t len = strspn(text, "0123456789");
    unsigned port = 0;

    if (len == 0 || len > 5 || text[len] != '\0')
        return false;
    for (size_t i = 0; i < len; i++)
        port = 10 * port + (unsigned)(text[i] - '0');
    *out = (uint16_t)port;
    return port >= 1 && port <= UINT16_MAX;
}

/* "name:443", "192.0.2.1:443", "[2001:db8::1]:443". */
static bool read_authority(char *text, struct socks_address *out)
{
    char *colon = strrchr(text, ':');
    uint16_t port;

    if (colon == NULL || !read_port(colon + 1, &port))
        return false;
    *colon = '\0';
    /* IPv6 without brackets: it could end in a group as well as in a port. */
    return (strchr(text, ':') == NULL || text[0] == '[') &&
           socks_address_set(out, bytes_of_text(text), port) == OK;
}

static bool is_http_1(const char *version)
{
    return strncmp(version, "HTTP/1.", 7) == 0 && version[7] >= '0' &&
           version[7] <= '9' && version[8] == '\0';
}

/* What stands behind `*text` up to a space, which is cut off. */
static char *next_word(char **text)
{
    char *word = *text, *space = strchr(word, ' ');

    if (space == NULL)
        return NULL;
    *space = '\0';
    *text = space + 1;
    return word;
}

static void read_request(struct socks_handshake *h, char *line)
{
    char *method = next_word(&line), *target;

    if (method == NULL) {
        refuse_syntax(h, "This is no request of HTTP.\n");
        return;
    }
    if (strcmp(method, "CONNECT") != 0) {
        refuse_method(h);
        return;
    }
    target = next_word(&line);
    if (target == NULL || !is_http_1(line))
        refuse_syntax(h, "CONNECT HOST:PORT HTTP/1.1 is what is read here.\n");
    else if (!read_authority(target, &h->request.to))
        refuse_syntax(h, "CONNECT wants HOST:PORT, and of IPv6 "
                         "[ADDRESS]:PORT.\n");
    else
        h->step = STEP_HTTP_HEADER;
}

void http_request(struct socks_handshake *h)
{
    bool whole = line_is_whole(h);
    char *line;

    if (!count(h))
        return;
    line = line_text(h);
    h->request.command = SOCKS_CONNECT;
    if (line == NULL)
        refuse_syntax(h, "There is a zero byte in the request.\n");
    else if (!whole && strncmp(line, "CONNECT ", 8) == 0)
        refuse(h, "414 URI Too Long", "", "No host has so long a name.\n");
    else
        read_request(h, line);
}

/* ---- Headers ---- */

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, BLANKS);
    len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
        len--;
    text[len] = '\0';
    return text;
}

/* What follows "Basic", decoded where it stands. */
static bool read_basic(struct socks_handshake *h, char *value)
{
    uint8_t *pair = (uint8_t *)value, *colon;
    size_t len;

    value = trim(value);
    len = strlen(value);
    if (sodium_base642bin(pair, len, value, len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    colon = memchr(pair, ':', len);
    if (colon == NULL)
        return false;
    handshake_isolate(h, bytes_of(pair, (size_t)(colon - pair)),
                      bytes_of(colon + 1, len - (size_t)(colon + 1 - pair)));
    return true;
}

static void read_authorization(struct socks_handshake *h, char *value)
{
    size_t scheme = strlen(SCHEME);

    value += strspn(value, BLANKS);
    if (strncasecmp(value, SCHEME, scheme) != 0 ||
        (value[scheme] != ' ' && value[scheme] != '\t'))
        refuse_scheme(h);
    else if (h->http_isolated || !read_basic(h, value + scheme))
        refuse_syntax(h, AUTHORIZATION " is not one user and password.\n");
    h->http_isolated = true;
}

/* A blank before the colon, or a line that goes on with the one before: two
 * programs could read either in two ways. */
static void read_header(struct socks_handshake *h, char *line, bool whole)
{
    size_t name = strcspn(line, BLANKS ":");

    if (name == 0 || line[name] != ':') {
        refuse_syntax(h, "There is a line that is no header.\n");
        return;
    }
    line[name] = '\0';
    if (strcasecmp(line, AUTHORIZATION) == 0) {
        if (whole)
            read_authorization(h, line + name + 1);
        else
            refuse_size(h);
    } else if (!whole) {
        h->step = STEP_HTTP_REST;
    }
}

void http_header(struct socks_handshake *h)
{
    bool whole = line_is_whole(h);
    char *line;

    if (!count(h))
        return;
    line = line_text(h);
    if (line == NULL)
        refuse_syntax(h, "There is a zero byte in the headers.\n");
    else if (line[0] == '\0' && whole)
        handshake_ask(h);
    else
        read_header(h, line, whole);
}

void http_rest(struct socks_handshake *h)
{
    if (count(h) && line_is_whole(h))
        h->step = STEP_HTTP_HEADER;
}
