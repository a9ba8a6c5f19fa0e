#include "config.h"

#include "collector/inject/inject_maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t count_lines(const char *text)
{
	uint32_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* "START-END rwxp OFFSET MAJ:MIN INO   PATH" */
static bool parse(char *line, struct inject_map *map)
{
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %*u %n", &map->start,
		   &map->end, map->access, &map->offset, &path) != 4 ||
	    !path)
		return false;
	map->path = line + path;
	return true;
}

int inject_maps_load(struct inject_maps *maps, const struct proc *proc, pid_t pid)
{
	char *rest, *line;
	size_t length;
	int error;

	memset(maps, 0, sizeof(*maps));
	error = proc_read(proc, &maps->text, &length, "%d/maps", (int)pid);
	if (error)
		return error;
	maps->items = calloc(count_lines(maps->text) + 1, sizeof(*maps->items));
	if (!maps->items) {
		inject_maps_done(maps);
		return -ENOMEM;
	}
	for (line = strtok_r(maps->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		maps->count += parse(line, &maps->items[maps->count]);
	return 0;
}

void inject_maps_done(struct inject_maps *maps)
{
	free(maps->items);
	free(maps->text);
	memset(maps, 0, sizeof(*maps));
}

const struct inject_map *inject_maps_find(const struct inject_maps *maps, uint64_t address)
{
	for (uint32_t i = 0; i < maps->count; i++)
		if (address >= maps->items[i].start && address < maps->items[i].end)
			return &maps->items[i];
	return NULL;
}
