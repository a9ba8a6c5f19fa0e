/*
 * What the C++ twin of deliveries.c does meanwhile: objects, strings, streams, and exceptions that cross
 * frames with destructors.
 */
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

extern "C" void work_in_cxx(unsigned n);

__attribute__((noinline)) static std::string describe(unsigned n)
{
	std::ostringstream text;

	text << n << ' ' << std::string(n % 200, 'x');
	if (n % 7 == 0)
		throw std::runtime_error(text.str());
	return text.str();
}

void work_in_cxx(unsigned n)
{
	auto names = std::make_unique<std::map<unsigned, std::string>>();

	for (unsigned i = n; i < n + 4; i++) {
		try {
			(*names)[i] = describe(i);
		} catch (const std::runtime_error &error) {
			(*names)[i] = error.what();
		}
	}
	if (names->size() != 4 || (*names)[n].empty())
		std::terminate();
}
