/* SPDX-License-Identifier: MIT
 *
 * Fetches a page through three hops, from a host of the Internet or from a
 * hidden service, and prints what comes: fetch CONFIG_FILE HOST:PORT [PATH]
 */
#include <warren.h>

#include <event2/event.h>
#include <stdio.h>

static size_t on_data(void *arg, struct warren_stream *st, const void *data,
                      size_t len)
{
    (void)arg, (void)st;
    return fwrite(data, 1, len, stdout);
}

static void on_end(void *arg, struct warren_stream *st)
{
    (void)arg;
    warren_stream_shutdown(st);
}

static void on_closed(void *arg, struct warren_stream *st, int error,
                      const struct warren_reason *why)
{
    (void)st;
    if (error != WARREN_OK)
        fprintf(stderr, "%s: %s\n", warren_error_text(error), why->text);
    *(int *)arg = error;
}

int main(int argc, char **argv)
{
    int result = -1;
    struct warren_options options = {.config_file = argc > 2 ? argv[1] : NULL};
    const struct warren_stream_handler handler = {.arg = &result,
                                                  .on_data = on_data,
                                                  .on_end = on_end,
                                                  .on_closed = on_closed};
    const char *host = argc > 2 ? argv[2] : "", *path = argc > 3 ? argv[3] : "";
    struct event_base *base = event_base_new();
    struct warren_stream *st;
    char why[WARREN_WHY_SIZE], get[1024];
    struct warren *w = warren_new(base, &options, why, sizeof(why));
    int len = snprintf(get, sizeof(get),
                       "GET /%.400s HTTP/1.0\r\n"
                       "Host: %.400s\r\n\r\n",
                       path, host);

    if (w == NULL || warren_connect(w, 0, host, 3, &handler, &st) != WARREN_OK)
        fprintf(stderr, "%s\n", w == NULL ? why : "no such destination");
    else if (warren_stream_write(st, get, (size_t)len) == (size_t)len)
        while (result == -1)
            event_base_loop(base, EVLOOP_ONCE);
    warren_free(w);
    event_base_free(base);
    return result == WARREN_OK ? 0 : 1;
}
