"""Where nobody is to be called."""


class NoCourier:
    def stir(self) -> None: ...
