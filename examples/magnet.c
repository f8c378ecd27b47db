/* SPDX-License-Identifier: MIT
 *
 * Prints the peers of a torrent, which it finds in the mainline DHT:
 * magnet CONFIG_FILE DATA_DIR LINK
 */
#include <warren.h>

#include <event2/event.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdio.h>

static struct warren *w;
static struct event *again;
static uint8_t hash[20];
static unsigned found, tries;
static int result = -1;

static void on_peer(void *arg, const struct sockaddr *peer, socklen_t len)
{
    char host[128], port[16];

    (void)arg;
    if (getnameinfo(peer, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        printf("%s %s\n", host, port);
    found++;
}

/* A node that has just begun knows nobody yet, or few. */
static void on_done(void *arg, int error,
                    const struct warren_dht_result *effort)
{
    const struct timeval second = {.tv_sec = 1};

    (void)arg;
    if (found > 0 || ++tries == 30) {
        result = error;
        fprintf(stderr, "%u peers, %u of %u nodes answered\n", found,
                effort->answered, effort->asked);
    } else {
        event_add(again, &second);
    }
}

static void look(evutil_socket_t fd, short what, void *arg)
{
    const struct warren_dht_handler handler = {.peer = on_peer,
                                               .done = on_done};
    int error = warren_dht_get_peers_in(w, WARREN_DHT_MAINLINE, hash, 0,
                                        &handler, NULL);

    (void)fd, (void)what, (void)arg;
    if (error != WARREN_OK)
        result = error;
}

int main(int argc, char **argv)
{
    const struct warren_setting settings[] = {
        {"mainline.enabled", "true"},
        {"node.data_dir", argc > 3 ? argv[2] : NULL}};
    struct warren_options options = {.config_file = argc > 3 ? argv[1] : NULL,
                                     .settings = settings,
                                     .setting_count = 2};
    struct event_base *base = event_base_new();
    char why[WARREN_WHY_SIZE] = "usage: magnet CONFIG_FILE DATA_DIR LINK";

    if (argc > 3 && warren_magnet_hash(argv[3], hash) != WARREN_OK)
        snprintf(why, sizeof(why), "this is no magnet link of a torrent");
    else if (argc > 3)
        w = warren_new(base, &options, why, sizeof(why));
    if (w == NULL) {
        fprintf(stderr, "%s\n", why);
        event_base_free(base);
        return 2;
    }
    again = evtimer_new(base, look, NULL);
    look(-1, 0, NULL);
    while (result == -1)
        event_base_loop(base, EVLOOP_ONCE);
    if (result != WARREN_OK)
        fprintf(stderr, "%s\n", warren_error_text(result));
    event_free(again);
    warren_free(w);
    event_base_free(base);
    return result == WARREN_OK && found > 0 ? 0 : 1;
}
