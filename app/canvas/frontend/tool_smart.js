export class SmartTool { constructor(desk){this.desk=desk; this.cursor='crosshair';} down(){} move(){} up(){} giveUp(){} hover(){} show(){ this.desk.surface.showRing(null,0);} }
